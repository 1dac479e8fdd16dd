#!/bin/sh
# The emulated Kinesis of `vpcflow demo`, from the committed lock (scripts/emulators/package-lock.json).
set -eu
if [ -s /run/secrets/ca_bundle ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca_bundle; fi
if [ -s /run/secrets/npm_registry ]; then npm_config_registry=$(cat /run/secrets/npm_registry); export npm_config_registry; fi
export npm_config_cache=/tmp/npm
cd /src
PYTHONPATH=/src /opt/vpcflow/bin/python scripts/emulators/install.py
rm -rf /tmp/npm
