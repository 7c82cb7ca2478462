# The steps of scripts/test.
# shellcheck shell=bash

# Crates whose tests start no process.
pure=(-p trestle-wire -p trestle-machine -p trestle-keys -p trestle-chain -p trestle-staking -p trestle-store -p trestle-actors)
# Set by the steps, told by the summary.
finished=no
current=''
times=()
report=''

# step NAME COMMAND…: runs a step and notes how long it took.
step() {
    current=$1
    shift
    say "$current …"
    local start=$SECONDS
    "$@"
    times+=("$current $((SECONDS - start)) s")
}

# Said at the end, whatever the end is.
summary() {
    local code=$? list
    [ "$code" -ne 0 ] || [ "$finished" = yes ] || code=1
    [ -z "$report" ] || slowest "$report"
    printf -v list '%s, ' "${times[@]:-nothing}"
    if [ "$code" -eq 0 ]; then
        say "all passed in $SECONDS s: ${list%, }"
    else
        say "FAILED at: ${current:-start} (after $SECONDS s; passed before: ${list%, })"
    fi
    [ -z "$report" ] || count "$report"
    exit "$code"
}

set_up() {
    BITCOIND=$(scripts/setup)
    export BITCOIND
}

# Unfinished work must not land: stubs, and tests that nobody runs.
no_stubs() {
    local found
    found=$(grep -rnE 'todo!\(|unimplemented!\(|#\[ignore' --include='*.rs' \
        proto store actors node $([ -d fuzz ] && echo fuzz) || true)
    [ -z "$found" ] || die "stubs or ignored tests:
$found"
}

# The advisory database is not asked: it is no part of the repository and changes by the day.
licences() {
    if ! cargo deny --version >/dev/null 2>&1; then
        if [ "$1" != long ]; then
            say 'SKIPPED licences and sources: no cargo-deny (--long or: cargo install --locked cargo-deny)'
            return
        fi
        say 'installing cargo-deny (some minutes)'
        quietly cargo install --locked cargo-deny
    fi
    # It looks at the crates of all platforms, and a build fetches those of its own only.
    quietly cargo fetch --locked
    cargo deny --log-level error --offline check bans licenses sources
}

# Tests pass quietly where conformance data is absent: say how many did.
conformance() {
    local folder=$root tests
    [ -z "${TRESTLE_VECTORS:-}" ] || return 0
    until [ -d "$folder/shared/vectors" ]; do
        if [ "$folder" = / ]; then
            tests=$(grep -rhE 'let Some\(vectors\) = .*::find\(\) else' --include='*.rs' \
                proto actors node | wc -l)
            say "SKIPPED $tests conformance tests: set TRESTLE_VECTORS to the folder that holds babylon/"
            return
        fi
        folder=$(dirname "$folder")
    done
}

# tests SELECTION…: runs the tests and keeps their report for the summary.
tests() {
    # The examples in the documentation are cargo's; nextest does not run them.
    quietly cargo test --quiet --doc "$@"
    report=${CARGO_TARGET_DIR:-target}/nextest/scripts/junit.xml
    rm -f "$report"
    cargo nextest run --profile scripts "$@"
    conformance
}

# Tests that take a number of seeds take it from TRESTLE_SEEDS.
long_tests() {
    TRESTLE_SEEDS=1000 cargo nextest run --profile long -p trestle-actors
}

# slowest FILE: the ten slowest tests of nextest's report.
slowest() {
    [ -r "$1" ] || return 0
    say 'the slowest tests, in seconds:'
    sed -nE 's/.*<testcase name="([^"]*)" classname="([^"]*)".* time="([0-9.]+)".*/\3 \2 \1/p' "$1" |
        sort -rn | head -n 10 | sed 's/^/    /' >&2
}

# count FILE: the closing line, from nextest's report.
count() {
    [ -r "$1" ] || return 0
    sed -nE 's/.*<testsuites .*tests="([0-9]+)" (skipped="[0-9]+" )?failures="([0-9]+)" errors="([0-9]+)".*/\1 \3 \4/p' "$1" |
        awk '{ printf "%d passed, %d failed\n", $1 - $2 - $3, $2 + $3 }'
}
