import sys

from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

configuration, url, base, people, team_size = sys.argv[1:]
people, team_size = int(people), int(team_size)
lp = LoadParm()
lp.load(configuration)
directory = SamDB(url=url, session_info=system_session(), lp=lp)
for first in range(1, people + 1, team_size):
    directory.transaction_start()
    members = []
    for i in range(first, min(first + team_size, people + 1)):
        name = f"person{i}"
        members.append(f"CN={name},CN=Users,{base}")
        directory.add({
            "dn": members[-1], "objectClass": "user", "sAMAccountName": name, "userPrincipalName": f"{name}@bench.example.com",
            "displayName": f"Person Number {i}", "mail": f"{name}@example.com",
        })
    if len(members) == team_size:
        name = f"team{(first - 1) // team_size}"
        directory.add({"dn": f"CN={name},CN=Users,{base}", "objectClass": "group", "sAMAccountName": name, "member": members})
    directory.transaction_commit()
