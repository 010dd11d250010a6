# Two stages: Rust builds, and what runs is the binary, the shipped configuration and nobody's rights.
# The engine's socket is not in the image: mount it, and add its group (see docker-compose.yml).

FROM rust:1.95-slim-bookworm AS build
WORKDIR /source
# Dependencies alone, in a layer that stays while only the sources change.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src tests/it \
    && echo 'fn main() {}' >src/main.rs \
    && touch src/lib.rs tests/it/main.rs \
    && cargo build --release --locked \
    && rm -rf src
COPY src src
COPY config config
COPY translations translations
COPY runbooks runbooks
RUN touch src/main.rs src/lib.rs && cargo build --release --locked

FROM debian:bookworm-slim
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
RUN useradd --system --uid 10001 --user-group --no-create-home oncalld \
    && install -d -o oncalld -g oncalld -m 0700 /var/lib/oncalld
COPY --from=build /source/target/release/oncalld /usr/local/bin/oncalld
COPY config /etc/oncalld/config
COPY translations /etc/oncalld/translations
COPY runbooks /etc/oncalld/runbooks
ENV ONCALLD_DATA_DIR=/var/lib/oncalld
VOLUME /var/lib/oncalld
USER oncalld
EXPOSE 9095
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["oncalld", "health"]
ENTRYPOINT ["oncalld"]
CMD ["serve", "--config", "/etc/oncalld/config"]
