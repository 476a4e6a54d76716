# The daemon: SQLite in the volume /data by default, Postgres by AGGREGATOR_DATABASE.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY aggregator aggregator
COPY migrations migrations
RUN python -m venv /opt/aggregator \
 && /opt/aggregator/bin/pip install --no-cache-dir --constraint constraints.txt '.[postgres,socks,warc]'

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /data --no-create-home aggregator \
 && mkdir /data /config && chown aggregator /data
COPY --from=build /opt/aggregator /opt/aggregator
COPY config /config
ENV PATH=/opt/aggregator/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    AGGREGATOR_CONFIG=/config/aggregator.yaml \
    AGGREGATOR_DATABASE=sqlite:////data/aggregator.db \
    AGGREGATOR_WEB__LISTEN=0.0.0.0:8080
USER aggregator
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["aggregator"]
CMD ["run"]
