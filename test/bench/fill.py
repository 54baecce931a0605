import sys

from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

configuration, url, base, first, last = sys.argv[1:]
lp = LoadParm()
lp.load(configuration)
directory = SamDB(url=url, session_info=system_session(), lp=lp)
for begin in range(int(first), int(last), 1000):
    directory.transaction_start()
    for i in range(begin, min(begin + 1000, int(last))):
        directory.add({"dn": f"CN=more{i},CN=Users,{base}", "objectClass": "user", "sAMAccountName": f"more{i}"})
    directory.transaction_commit()
