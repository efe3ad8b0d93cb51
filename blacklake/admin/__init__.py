"""`blacklake admin`: one module for each noun."""

from cyclopts import App

from blacklake.admin.access import access
from blacklake.admin.apikey import apikey
from blacklake.admin.artifacts import artifacts
from blacklake.admin.audit import audit
from blacklake.admin.grant import grant
from blacklake.admin.issuer import issuer
from blacklake.admin.keys import keys
from blacklake.admin.org import org
from blacklake.admin.policy import policy
from blacklake.admin.robot import robot
from blacklake.admin.role import role
from blacklake.admin.scan import scan
from blacklake.admin.schema import schema
from blacklake.admin.service import service
from blacklake.admin.session import session
from blacklake.admin.stage import stage
from blacklake.admin.storage import storage
from blacklake.admin.tag import tag
from blacklake.admin.team import team
from blacklake.admin.trust import trust
from blacklake.admin.trust_root import trust_root
from blacklake.admin.user import user

__all__ = ["admin"]

admin = App(name="admin", help="Look after an installation, here or by --server.")
for part in (
    user, robot, service, org, team, role, grant, access, apikey, session, issuer, trust, keys, schema, policy, trust_root,
    tag, stage, scan, audit, artifacts, storage,
):  # fmt: skip
    admin.command(part)
