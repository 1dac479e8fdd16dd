#!/bin/sh
# Installs into /opt/vpcflow exactly what requirements.lock holds: versions and hashes. Arguments: those of `uv pip install`.
# The secrets `ca_bundle` and `index_url` are there when the builder gave them (see Dockerfile).
set -eu
if [ -s /run/secrets/ca_bundle ]; then
  export SSL_CERT_FILE=/run/secrets/ca_bundle PIP_CERT=/run/secrets/ca_bundle
fi
if [ -s /run/secrets/index_url ]; then
  UV_DEFAULT_INDEX=$(cat /run/secrets/index_url)
  export UV_DEFAULT_INDEX PIP_INDEX_URL="$UV_DEFAULT_INDEX"
fi
if [ ! -x /opt/uv/bin/uv ]; then
  python3 -m venv /opt/uv
  sed -n '/^uv==/,/[^\\]$/p' requirements.lock > /opt/uv/requirements.txt
  /opt/uv/bin/pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes -r /opt/uv/requirements.txt
fi
exec /opt/uv/bin/uv pip install --no-cache --python /opt/vpcflow/bin/python --constraint requirements.lock "$@"
