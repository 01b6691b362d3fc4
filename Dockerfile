# The server in a slim image: built with the full toolchain, run without it, as a user who owns nothing.
#
#   docker build --tag apus .
#   docker run --rm --publish 8001:8001 --volume "$PWD/models:/models:ro" apus
#
# Tests/Integration/test_dockerfile.py checks every package, path and command that is named here.

FROM swift:6.3-bookworm AS builder
WORKDIR /apus
COPY Tools/install-packages Tools/
RUN Tools/install-packages
# SwiftPM reads the manifest as a whole, so the tests' and examples' folders must be there although they are not built.
COPY Package.swift ./
COPY Sources Sources
COPY Tests Tests
COPY examples examples
RUN swift build --configuration release --static-swift-stdlib --product apus

FROM debian:bookworm-slim AS onnxruntime
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 python3-pip
WORKDIR /apus
COPY Tools/fetch-onnxruntime Tools/fetch-wheel Tools/
RUN Tools/fetch-onnxruntime

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends \
      ca-certificates libnghttp2-14 libprotobuf-c1 libsqlite3-0 libssl3 libstdc++6 zlib1g \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home apus
COPY --from=builder /apus/.build/release/apus /usr/local/bin/apus
COPY --from=onnxruntime /apus/.cache/onnxruntime/lib /usr/local/lib/apus
ENV APUS_ONNXRUNTIME=/usr/local/lib/apus
USER apus
EXPOSE 8001
# The server drains on SIGTERM: health turns NOT_SERVING, calls in hand finish, then it ends with 0.
STOPSIGNAL SIGTERM
# 0 when the server is ready, another status when it is not or does not answer.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["apus", "status"]
ENTRYPOINT ["apus"]
CMD ["serve", "--model-repository", "/models"]
