# mixval on CPUs: `docker build -t mixval .`, then `docker run --rm -v "$PWD:/work" mixval value mixval.yaml`.
# Versions and digests are those of constraints.txt. --build-arg TORCH_ARGS="--index-url URL" takes torch from an index of its CPU builds, which
# makes the image several GB smaller.
FROM python:3.11.14-slim-bookworm AS build
ARG TORCH_ARGS=""
WORKDIR /src
COPY pyproject.toml constraints.txt bootstrap.txt README.md LICENSE ./
COPY mixval mixval
COPY tasks tasks
COPY flows flows
COPY deployments deployments
RUN python -m venv /opt/mixval \
 && /opt/mixval/bin/pip install --no-cache-dir --require-hashes --no-deps -r bootstrap.txt \
 && /opt/mixval/bin/pip install --no-cache-dir --no-deps "$(grep '^torch==' constraints.txt)" ${TORCH_ARGS} \
 && /opt/mixval/bin/uv pip install --no-cache --python /opt/mixval/bin/python -c constraints.txt ".[s3]"

FROM python:3.11.14-slim-bookworm
COPY --from=build /opt/mixval /opt/mixval
RUN useradd --create-home --uid 10001 mixval && mkdir /work && chown mixval /work
ENV PATH=/opt/mixval/bin:$PATH PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1
USER 10001
WORKDIR /work
ENTRYPOINT ["mixval"]
CMD ["--help"]
