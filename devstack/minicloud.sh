#!/usr/bin/env bash
# A pocket OpenStack on this machine, to see ceilo-gossip at work.
#
#   minicloud.sh demo                 bring it up, break hosts, watch their instances being saved, take it down
#   minicloud.sh up | status | down   the same by hand
#   minicloud.sh shell                a shell inside the controller's network, with credentials
#   minicloud.sh break KIND HOST ...  break something; heal undoes it
#
# What is missing is installed first: Debian packages of bindep.txt, and a virtual environment with all of OpenStack,
# kept in MINICLOUD_HOME (default: /var/cache/ceilo-gossip). Needs root, and touches nothing outside of its own
# namespaces, control groups and that directory.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [ "$(id -u)" != 0 ]; then
    echo "minicloud.sh: must run as root, as it makes network namespaces and control groups" >&2
    exit 1
fi

if [ $# -eq 0 ]; then
    sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi

installed=$("$here/minicloud/install.sh" all)
venv=$(tail -n 1 <<<"$installed")
project=$(dirname "$here")
export PYTHONPATH=$here:$project
exec "$venv/bin/python" -m minicloud "$@"
