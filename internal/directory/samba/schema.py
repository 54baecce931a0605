"""Extends the schema of a domain, in the database of the domain controller that it runs beside.

What to do is in the file that the argument names, as JSON: a list of records with dn, modify and changes, each an op, an attribute and its
values in base64. What is there already is left as it is. What can't be done is said in one line that begins with "schema: ",
and by the exit status 1.
"""

import base64
import json
import os
import sys

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

lp = LoadParm()
lp.load(os.environ["SMB_CONF_PATH"])
lp.set("dsdb:schema update allowed", "yes")
samdb = SamDB(url=lp.samdb_url(), session_info=system_session(lp), lp=lp)
flags = {"add": ldb.FLAG_MOD_ADD, "replace": ldb.FLAG_MOD_REPLACE}
there = (ldb.ERR_ENTRY_ALREADY_EXISTS, ldb.ERR_ATTRIBUTE_OR_VALUE_EXISTS)

with open(sys.argv[1]) as file:
    records = json.load(file)
for record in records:
    if not record["dn"]:
        samdb.set_schema_update_now()
        continue
    message = ldb.Message(ldb.Dn(samdb, record["dn"]))
    for change in record["changes"]:
        values = [base64.b64decode(value) for value in change["values"]]
        message[change["attribute"]] = ldb.MessageElement(values, flags[change["op"]], change["attribute"])
    try:
        if record["modify"]:
            samdb.modify(message)
        else:
            samdb.add(message)
        samdb.set_schema_update_now()
    except ldb.LdbError as err:
        if err.args[0] not in there:
            sys.exit("schema: line %d: %s" % (record["line"], err.args[1].replace("\n", " ")))
