# The agent in an image: `docker build -t vpcflow .`, then
# `docker run -v ./vpcflow.toml:/etc/vpcflow/vpcflow.toml:ro -v vpcflow:/var/lib/vpcflow vpcflow`.
# CI has no container engine yet; the install steps below are those of tests/integration/test_wheel.py.

FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY consumer consumer
COPY properties properties
# The lock holds what runs, at what hash; `java` brings a JRE, so the image needs no system package.
RUN python -m venv /opt/vpcflow \
 && /opt/vpcflow/bin/pip install --no-cache-dir uv \
 && /opt/vpcflow/bin/uv pip install --no-cache --python /opt/vpcflow/bin/python --constraint requirements.lock ".[java]" \
 && /opt/vpcflow/bin/pip uninstall --yes uv
# Compiled for any CPU of this architecture: the image may run on another machine than it was built on.
RUN NUMBA_CPU_NAME=generic /opt/vpcflow/bin/vpcflow kernels

FROM python:3.13-slim
COPY --from=build /opt/vpcflow /opt/vpcflow
RUN useradd --system --create-home --home-dir /var/lib/vpcflow vpcflow
USER vpcflow
ENV PATH=/opt/vpcflow/bin:$PATH NUMBA_CPU_NAME=generic STATE_DIRECTORY=/var/lib/vpcflow
VOLUME /var/lib/vpcflow
ENTRYPOINT ["vpcflow"]
CMD ["run", "-c", "/etc/vpcflow/vpcflow.toml"]
