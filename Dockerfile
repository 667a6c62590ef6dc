# The image holds the program, the libraries it links and their licences: no shell, no package manager.
#   docker build -t attnd .
#   docker run --rm -p 8080:8080 --read-only --cap-drop ALL --security-opt no-new-privileges attnd

ARG DEBIAN=trixie
FROM debian:${DEBIAN}-slim AS build
WORKDIR /source
COPY tools/packages.sh tools/
RUN tools/packages.sh build
COPY . .
RUN cmake -S . -B /build -DATTND_TESTS=OFF && cmake --build /build --target attnd -j "$(nproc)" && strip /build/attnd

FROM debian:${DEBIAN}-slim AS runtime
COPY tools/packages.sh /
RUN /packages.sh runtime
COPY --from=build /build/attnd /usr/local/bin/
COPY LICENSE /usr/share/doc/attnd/copyright
# /image becomes the root: what ldd names, links followed, each with the licence of its package.
RUN set -eu; mkdir -p /image/etc; cd /image; \
    echo 'attnd:x:65532:65532:attnd:/:/usr/sbin/nologin' >etc/passwd; echo 'attnd:x:65532:' >etc/group; \
    cp --parents /usr/local/bin/attnd /usr/share/doc/attnd/copyright .; \
    ldd /usr/local/bin/attnd | grep -o '/[^ ]*' | while read -r library; do \
        cp -L --parents "$library" .; \
        package=$(dpkg-query -S "*/${library##*/}" "$(readlink -f "$library")" 2>/dev/null | sed -n '1s/:.*//p'); \
        cp -L --parents "/usr/share/doc/$package/copyright" .; \
    done

FROM scratch
COPY --from=runtime /image /
# One OpenBLAS thread per worker; set here as well, the library starts no helper threads when it is loaded.
ENV ATTND_HOST=0.0.0.0 OPENBLAS_NUM_THREADS=1 LD_BIND_NOW=1
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/usr/local/bin/attnd", "--healthcheck"]
ENTRYPOINT ["/usr/local/bin/attnd"]
