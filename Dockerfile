FROM python:3.13-slim AS build

# What gets here is listed in .dockerignore.
COPY . /source
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel /source

# An environment without pip in it: only what runs goes on to the image.
RUN python -m venv --without-pip /opt/runweaver \
    && pip --python /opt/runweaver/bin/python install --no-cache-dir "$(echo /wheel/runweaver-*.whl)[console,metrics,webhooks,mcp]"


FROM python:3.13-slim

RUN groupadd --gid 10001 runweaver \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin runweaver
COPY --from=build /opt/runweaver /opt/runweaver
ENV PATH="/opt/runweaver/bin:$PATH"

# By number, so that an orchestrator can see that it is not root.
USER 10001:10001

# Without a shell in between, the signal reaches the process that knows how to stop.
STOPSIGNAL SIGTERM
ENTRYPOINT ["runweaver"]
