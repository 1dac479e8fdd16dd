#!/bin/sh
# Everything a read-only root file system could not keep at run time is made here, and what never runs is removed.
set -eu
cd /
site=$(/opt/vpcflow/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# Tests that packages carry along, and the models of AWS services that the table of operations does not name.
find "$site" -depth -type d \( -name tests -o -name testing \) -path "$site/num*" -prune -exec rm -rf {} + || true
/opt/vpcflow/bin/python /src/deploy/image/slim.py "$site"
/opt/vpcflow/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash "$site" || true
rm -rf /opt/vpcflow/var/vpcflow-kernels && mkdir -p /opt/vpcflow/var/vpcflow-kernels /opt/vpcflow/var/vpcflow-java
NUMBA_CPU_NAME=generic /opt/vpcflow/bin/vpcflow kernels
# Layers keep whole seconds; the archive's name holds these times (and java's, see Dockerfile).
find "$site/amazon_kclpy/jars" -name '*.jar' -exec touch -d @0 {} +
rm -f /opt/vpcflow/var/vpcflow-java/*
/opt/vpcflow/bin/python -m consumer.kcl.class_archive
ls /opt/vpcflow/var/vpcflow-java/kcl-*.jsa > /dev/null  # the daemon ran, or there would be none
/opt/vpcflow/bin/python /src/deploy/image/sbom.py "$site" > /opt/vpcflow/sbom.cdx.json
chmod -R go-w /opt/vpcflow
