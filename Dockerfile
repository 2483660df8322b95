# An exported model behind HTTP, without PyTorch:
#
#     aft export runs/a --out exported
#     docker build --build-arg MODEL=exported --tag reviews .
#     docker run --publish 127.0.0.1:8000:8000 reviews
FROM python:3.13-slim

COPY pyproject.toml README.md LICENSE /src/
COPY src /src/src
RUN pip install --no-cache-dir '/src[serve]' && rm -r /src && useradd --system --uid 10001 served

ARG MODEL=exported
COPY ${MODEL} /model

USER 10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["aft", "serve", "/model", "--host", "0.0.0.0"]
