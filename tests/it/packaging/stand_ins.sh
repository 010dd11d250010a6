#!/bin/sh
# Stand-ins for the base images of Dockerfile and docker-compose.yml, for machines without an image registry: Debian from
# its packages, Rust from this machine's toolchain, Prometheus and Alertmanager from Debian's packages, busybox from its
# static one. An image that is here already is left alone; what is made here is written to the file named by $1, so that
# it can be removed.
set -eu
made=$1
root=$(cd "$(dirname "$0")/../../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

missing() { ! docker image inspect "$1" >/dev/null 2>&1; }

debian=$(sed -n 's/^FROM \(debian:[^ ]*\).*/\1/p' "$root/Dockerfile")
rust=$(sed -n 's/^FROM \(rust:[^ ]*\).*/\1/p' "$root/Dockerfile")
prometheus=$(sed -n 's/.*image: \(prom\/prometheus:.*\)/\1/p' "$root/docker-compose.yml")
alertmanager=$(sed -n 's/.*image: \(prom\/alertmanager:.*\)/\1/p' "$root/docker-compose.yml")
busybox=$(sed -n 's/.*image: \(busybox:.*\)/\1/p' "$root/docker-compose.yml")

if missing "$debian"; then
    debootstrap --variant=minbase --include=ca-certificates bookworm "$scratch/debian" >"$scratch/log" 2>&1 || {
        tail -n 5 "$scratch/log" >&2
        exit 1
    }
    # The machine may trust more authorities than Debian does: a proxy's, say.
    cp /etc/ssl/certs/ca-certificates.crt "$scratch/debian/etc/ssl/certs/ca-certificates.crt"
    rm -rf "$scratch/debian/var/cache/apt/archives" "$scratch/debian/var/lib/apt/lists"
    tar -C "$scratch/debian" -c . | docker import --change 'CMD ["bash"]' - "$debian" >/dev/null
    echo "$debian" >>"$made"
fi

if missing "$rust"; then
    mkdir "$scratch/rust"
    cat >"$scratch/rust/Dockerfile" <<END
FROM $debian
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev >/dev/null && rm -rf /var/lib/apt/lists
ADD toolchain.tar /usr/local/
ENV CARGO_NET_RETRY=10
END
    tar -C "$(rustc --print sysroot)" -cf "$scratch/rust/toolchain.tar" --exclude=share --exclude='*/src' bin lib
    docker build --quiet --tag "$rust" "$scratch/rust" >/dev/null
    echo "$rust" >>"$made"
fi

# An image of one Go program on Debian's base, laid out as its project's own image is.
program() {
    image=$1 binary=$2 name=$3 port=$4 storage=$5
    missing "$image" || return 0
    mkdir -p "$scratch/$name"
    mkdir "$scratch/$name/share"
    cp "$(command -v "$binary")" "$scratch/$name/$name"
    # Debian keeps Alertmanager's templates beside the binary, not inside it.
    if [ -d "/usr/share/prometheus/$name" ]; then cp -RL "/usr/share/prometheus/$name" "$scratch/$name/share/"; fi
    cat >"$scratch/$name/Dockerfile" <<END
FROM $debian
COPY $name /bin/$name
COPY share /usr/share/prometheus
RUN mkdir -p /etc/$name $storage && chown 65534:65534 $storage
WORKDIR $storage
USER 65534
EXPOSE $port
ENTRYPOINT ["/bin/$name"]
CMD ["--config.file=/etc/$name/$name.yml", "--storage.$([ "$name" = prometheus ] && echo tsdb.)path=$storage"]
END
    docker build --quiet --tag "$image" "$scratch/$name" >/dev/null
    echo "$image" >>"$made"
}
program "$prometheus" prometheus prometheus 9090 /prometheus
program "$alertmanager" prometheus-alertmanager alertmanager 9093 /alertmanager

if missing "$busybox"; then
    mkdir -p "$scratch/busybox/bin" "$scratch/busybox/etc" "$scratch/busybox/tmp"
    cp "$(command -v busybox)" "$scratch/busybox/bin/busybox"
    for name in $("$scratch/busybox/bin/busybox" --list); do
        [ -e "$scratch/busybox/bin/$name" ] || ln -s busybox "$scratch/busybox/bin/$name"
    done
    echo root:x:0:0::/:/bin/sh >"$scratch/busybox/etc/passwd"
    tar -C "$scratch/busybox" -c . | docker import --change 'CMD ["sh"]' - "$busybox" >/dev/null
    echo "$busybox" >>"$made"
fi
