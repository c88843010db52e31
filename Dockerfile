# `textsr serve` alone: the core and what serving needs, none of the pipeline (target `serve`).
FROM python:3.11-slim-bookworm AS serve

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /build
COPY requirements.lock requirements-serve.lock pyproject.toml README.md LICENSE ./
RUN python -m venv /textsr \
  && sed -n '/^setuptools==/,/[^\\]$/p' requirements.lock > setuptools.lock \
  && /textsr/bin/pip install --no-cache-dir --no-deps --require-hashes -r setuptools.lock \
    -r requirements-serve.lock
COPY src src
RUN /textsr/bin/pip install --no-cache-dir --no-deps --no-build-isolation .
USER 1000:1000
WORKDIR /tmp
ENV PATH=/textsr/bin:$PATH
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", \
  "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=5)"]
ENTRYPOINT ["textsr", "serve", "--host", "0.0.0.0"]

# The clone with its environment, for Prefect's workers in Docker and Kubernetes.
FROM python:3.11-slim-bookworm

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install -y --no-install-recommends git make tesseract-ocr \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /textsr
COPY requirements.lock pyproject.toml ./
RUN python -m venv .venv \
  && sed -n '/^setuptools==/,/[^\\]$/p' requirements.lock > setuptools.lock \
  && .venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r setuptools.lock \
  && .venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation --require-hashes \
    -r requirements.lock
# With .git: a run's lineage and the copies for its params need the commit.
COPY . .
RUN .venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation -e .
ENV PATH=/textsr/.venv/bin:$PATH TEXTSR_CLONE=/textsr DVC_NO_ANALYTICS=1 MLFLOW_DISABLE_TELEMETRY=true
CMD ["python", "-m", "pipelines.retrain"]
