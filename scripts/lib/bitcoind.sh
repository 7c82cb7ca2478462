# Finds a bitcoind, or installs one into the user's cache without touching the system.
# shellcheck shell=bash
#
# The package comes from Debian's unstable suite, whose libraries are newer than a stable
# system's. So everything it needs is unpacked into a private prefix and started with that
# prefix's own dynamic linker.

bitcoind_packages=(
    bitcoin-knots libc6 libstdc++6 libgcc-s1
    libevent-core-2.1-7t64 libevent-extra-2.1-7t64 libevent-pthreads-2.1-7t64
    libsqlite3-0 libzmq5 libsodium26 libpgm-5.3-0t64 libnorm1t64
    libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2 libkeyutils1
    libssl3t64 libbsd0 libmd0 zlib1g libzstd1
)

# Prints the path of a bitcoind that runs; installs one where there is none.
ensure_bitcoind() {
    local found
    if found=$(find_bitcoind); then
        echo "$found"
        return
    fi
    mkdir -p "$cache"
    # One installation at a time; a second run waits and then finds the first one's.
    (
        flock 9
        find_bitcoind >/dev/null || install_bitcoind
    ) 9>"$cache/bitcoind.lock"
    find_bitcoind || die "no bitcoind runs here; set \$BITCOIND to one (version 28 or newer)"
}

# Prints $BITCOIND, the one on PATH, or the one in the cache, whichever runs first.
find_bitcoind() {
    if [ -n "${BITCOIND:-}" ]; then
        runs "$BITCOIND" || die "\$BITCOIND is $BITCOIND, which does not run; correct or unset it"
        echo "$BITCOIND"
        return
    fi
    local candidate
    for candidate in "$(command -v bitcoind || true)" "$cache/bin/bitcoind"; do
        if [ -n "$candidate" ] && runs "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

runs() { "$1" -version >/dev/null 2>&1; }

install_bitcoind() {
    local tool
    for tool in apt-get dpkg dpkg-deb; do
        have "$tool" || die "there is no bitcoind and no $tool to get one; install Bitcoin Core 28 or newer, or set \$BITCOIND"
    done
    local mirror work
    mirror=$(debian_mirror) || die "no Debian mirror in this system's apt sources; install Bitcoin Core 28 or newer, or set \$BITCOIND"
    work=$(mktemp -d "$cache/.bitcoind-XXXXXX")
    # shellcheck disable=SC2064 # the folder's name is wanted as it is now
    trap "rm -rf '$work'" EXIT
    say "fetching bitcoind from the unstable suite of this system's mirror"
    fetch_packages "$work" "$mirror"
    unpack_packages "$work"
    trap - EXIT
    rm -rf "$work"
}

# Prints the mirror that the system's own release comes from: the first one that its apt
# sources, in either of apt's two formats, name for this release or for a rolling suite.
debian_mirror() {
    [ "$(. /etc/os-release && echo "${ID:-}")" = debian ] || return 1
    local codename etc=${APT_ETC:-/etc/apt}
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    {
        cat "$etc/sources.list" "$etc"/sources.list.d/*.list 2>/dev/null |
            sed -nE 's/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?//p'
        one_line_sources "$etc"/sources.list.d/*.sources
    } | awk -v want="$codename" '
        $1 ~ /^https?:/ && $0 ~ / main( |$)/ {
            for (i = 2; i <= NF; i++) if ($i == want || $i ~ /^(stable|testing|unstable|sid)$/) {
                print $1; found = 1; exit
            }
        }
        END { exit !found }'
}

# Prints "URI suites components" for every stanza of the given .sources files.
one_line_sources() {
    local file
    for file in "$@"; do
        [ -r "$file" ] || continue
        # A blank line ends a stanza; a comment line does not.
        { sed '/^#/d' "$file"; echo; } | awk '
            function flush(   n, list, i) {
                if (types ~ /(^| )deb( |$)/ && enabled != "no") {
                    n = split(uris, list, " ")
                    for (i = 1; i <= n; i++) print list[i], suites, components
                }
                types = uris = suites = components = enabled = field = ""
            }
            /^[[:space:]]*$/ { flush(); next }
            /^[A-Za-z-]+:/ { field = tolower($1); sub(/^[^:]*:[[:space:]]*/, "") }
            field == "types:" { types = types " " $0 }
            field == "uris:" { uris = uris " " $0 }
            field == "suites:" { suites = suites " " $0 }
            field == "components:" { components = components " " $0 }
            field == "enabled:" { enabled = tolower($0) }'
    done
}

# Downloads the packages into $1/debs with lists and state of apt's own, so that the
# system's package lists never learn of the unstable suite.
fetch_packages() {
    local work=$1 mirror=$2 keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    mkdir -p "$work"/{debs,state/lists/partial,cache/archives/partial}
    : >"$work/state/status"
    local signed=''
    [ -r "$keyring" ] && signed="[signed-by=$keyring] "
    echo "deb ${signed}$mirror unstable main" >"$work/sources.list"
    local options=(
        -o "Dir::State=$work/state"
        -o "Dir::State::lists=$work/state/lists"
        -o "Dir::State::status=$work/state/status"
        -o "Dir::Cache=$work/cache"
        -o "Dir::Etc::SourceList=$work/sources.list"
        -o "Dir::Etc::SourceParts=-"
        -o "Acquire::Languages=none"
        -o "Acquire::Retries=3"
        -o "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false"
        # The unprivileged account of apt cannot enter a private cache folder.
        -o "APT::Sandbox::User=$(id -un)"
    )
    quietly apt-get "${options[@]}" update || die "cannot read the mirror's unstable suite (see above)"
    (cd "$work/debs" && quietly apt-get "${options[@]}" download "${bitcoind_packages[@]}") ||
        die "cannot download the packages of bitcoind (see above)"
}

# Unpacks $1/debs into its final place and writes the commands that start it.
unpack_packages() {
    local work=$1 deb version prefix linker libraries
    mkdir "$work/prefix"
    for deb in "$work"/debs/*.deb; do
        dpkg -x "$deb" "$work/prefix"
    done
    version=$(dpkg-deb --field "$work"/debs/bitcoin-knots_*.deb Version)
    prefix=$cache/bitcoind-${version//[^A-Za-z0-9.]/-}
    linker=$(cd "$work/prefix" && find . \( -name 'ld-linux*.so.*' -o -name 'ld64.so.*' \) | sort | head -n 1)
    [ -n "$linker" ] || die "the unpacked C library holds no dynamic linker for $(dpkg --print-architecture)"
    libraries=$(cd "$work/prefix" && find . -name '*.so.*' -printf '%h\n' | sort -u |
        sed "s#^\.#$prefix#" | paste -sd:)
    rm -rf "$prefix"
    mv "$work/prefix" "$prefix"
    mkdir -p "$cache/bin"
    write_wrapper bitcoind "$prefix" "$linker" "$libraries"
    write_wrapper bitcoin-cli "$prefix" "$linker" "$libraries"
}

# Writes $cache/bin/$1, in one move so that nobody runs half a file.
write_wrapper() {
    local name=$1 prefix=$2 linker=$3 libraries=$4 program
    program=$(find "$prefix" -type f -path "*/bin/$name" | head -n 1)
    [ -n "$program" ] || die "the unpacked package holds no $name"
    cat >"$cache/bin/.$name" <<WRAPPER
#!/bin/sh
exec '$prefix/$linker' --library-path '$libraries' '$program' "\$@"
WRAPPER
    chmod 755 "$cache/bin/.$name"
    mv "$cache/bin/.$name" "$cache/bin/$name"
}
