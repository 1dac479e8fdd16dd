# vpcflow in an image. `make image` builds it with docker, podman or buildah; docs/operating/container.md says how to run it.
#
#   --target agent     what `vpcflow run` needs: Python, kernels compiled ahead, the KCL's jars and a JRE. The default.
#   --target parquet   the same with pyarrow, for Parquet packed otherwise than by AWS (some 165 MB more)
#   --target demo      the same with the emulated AWS: `docker run vpcflow:demo` shows everything without an account
#
# Only the build needs a network: the base image, Debian (a JDK to cut the JRE from), PyPI, Maven Central, and npm for
# the demo. What runs needs AWS and collectors. Behind a proxy: the usual HTTPS_PROXY build arguments; a proxy that opens
# TLS, or an index of your own: the two secrets below, which leave nothing in any layer:
#   --secret id=ca_bundle,src=/etc/ssl/certs/ca-certificates.crt --secret id=index_url,src=FILE_WITH_THE_URL
ARG BASE=docker.io/library/python:3.13-slim

# --- The JRE: the JDK's modules that the KCL uses and no others ------------------------------------------------------
FROM ${BASE} AS jre
ARG JAVA_PACKAGE=default-jdk-headless
ENV DEBIAN_FRONTEND=noninteractive
# Slim images lack the folder of manual pages that the package's links go into.
RUN apt-get update \
 && mkdir -p /usr/share/man/man1 \
 && apt-get install --yes --no-install-recommends ${JAVA_PACKAGE} \
 && rm -rf /var/lib/apt/lists/*
# java.desktop: the KCL reads its properties into beans. jdk.crypto.ec: TLS. jdk.unsupported: netty.
# The archive of the JDK's own classes (--generate-cds-archive) is what ours builds upon.
RUN jlink --output /opt/java --compress=2 --no-header-files --no-man-pages --strip-java-debug-attributes \
      --generate-cds-archive --add-modules \
java.desktop,java.instrument,java.logging,java.management,java.naming,java.net.http,java.scripting,java.security.jgss,java.security.sasl,java.sql,java.transaction.xa,java.xml,java.xml.crypto,jdk.crypto.ec,jdk.management,jdk.net,jdk.security.auth,jdk.unsupported,jdk.zipfs \
 && rm -f /opt/java/lib/security/cacerts \
 && cp -L /etc/ssl/certs/java/cacerts /opt/java/lib/security/cacerts \
 && touch -d @0 /opt/java/bin/java
# (Layers keep whole seconds only, and the name of the archive of the daemon's classes holds this time.)

# --- The agent in an environment of its own --------------------------------------------------------------------------
FROM ${BASE} AS build
ARG KCL_MVN_REPO_SEARCH_URL
# Compiled for any CPU of this architecture: the image may run on another machine than it was built on.
ENV NUMBA_CPU_NAME=generic JAVA_HOME=/opt/java UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 UV_LINK_MODE=copy
WORKDIR /src
COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY deploy/image/install.sh /usr/local/bin/install-locked
# First what the lock holds, then the project: a change of ours does not fetch the packages again.
RUN --mount=type=secret,id=ca_bundle --mount=type=secret,id=index_url \
    python3 -m venv --without-pip /opt/vpcflow \
 && sh /usr/local/bin/install-locked -r pyproject.toml
COPY properties properties
COPY consumer consumer
COPY deploy/image deploy/image
RUN --mount=type=secret,id=ca_bundle --mount=type=secret,id=index_url \
    sh /usr/local/bin/install-locked --no-deps .
COPY --from=jre /opt/java /opt/java
# Bytecode, kernels and the daemon's classes: all compiled here, because a read-only root file system keeps nothing.
# The daemon is really started for it, so an image without a working JRE or with half the jars is not built at all.
RUN sh deploy/image/finish.sh

FROM build AS build-parquet
RUN --mount=type=secret,id=ca_bundle --mount=type=secret,id=index_url \
    sh /usr/local/bin/install-locked -r pyproject.toml --extra parquet \
 && sh deploy/image/finish.sh

# --- What every image has --------------------------------------------------------------------------------------------
FROM ${BASE} AS runtime
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="vpcflow" \
      org.opencontainers.image.description="VPC Flow Logs in, named IPFIX out" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# A number, so that Kubernetes' runAsNonRoot can see it is not 0. Group 0 may write too: OpenShift chooses its own user.
RUN useradd --uid 10001 --gid 0 --no-create-home --home-dir /var/lib/vpcflow --shell /usr/sbin/nologin vpcflow \
 && install --directory --owner=10001 --group=0 --mode=0770 /var/lib/vpcflow
# Everything that is written goes to the one volume: state, the children's sockets, caches. /metrics and /health are for
# the network the container is in; publish the port or not.
ENV PATH=/opt/vpcflow/bin:/usr/local/bin:/usr/bin:/bin JAVA_HOME=/opt/java NUMBA_CPU_NAME=generic \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HOME=/var/lib/vpcflow STATE_DIRECTORY=/var/lib/vpcflow TMPDIR=/var/lib/vpcflow \
    VPCFLOW__TELEMETRY__LISTEN=0.0.0.0:9464
EXPOSE 9464
STOPSIGNAL SIGTERM
# `vpcflow health` fails when a part of the agent fails, not while it waits for a collector: a restart brings none back.
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=4 CMD ["vpcflow", "health"]
ENTRYPOINT ["vpcflow"]
CMD ["run", "-c", "/etc/vpcflow/vpcflow.toml"]
COPY --from=jre /opt/java /opt/java

FROM runtime AS agent
COPY --from=build /opt/vpcflow /opt/vpcflow
VOLUME /var/lib/vpcflow
USER 10001:0

FROM runtime AS parquet
COPY --from=build-parquet /opt/vpcflow /opt/vpcflow
VOLUME /var/lib/vpcflow
USER 10001:0

# --- The demo: emulators beside the agent ----------------------------------------------------------------------------
FROM build AS build-demo
COPY scripts/emulators scripts/emulators
ENV VPCFLOW_EMULATORS=/opt/vpcflow/emulators
RUN --mount=type=secret,id=ca_bundle --mount=type=secret,id=index_url --mount=type=secret,id=npm_registry \
    sh /usr/local/bin/install-locked -r pyproject.toml --extra demo --extra node \
 && sh deploy/image/emulators.sh \
 && sh deploy/image/finish.sh

FROM runtime AS demo
COPY --from=build-demo /opt/vpcflow /opt/vpcflow
ENV VPCFLOW_EMULATORS=/opt/vpcflow/emulators
VOLUME /var/lib/vpcflow
USER 10001:0
HEALTHCHECK NONE
CMD ["demo"]

# What `docker build .` without a target makes.
FROM agent
