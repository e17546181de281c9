#!/usr/bin/env bash
# Runs the tests tier by tier, after installing what they need, and closes with a table and a line of totals.
#
#   tests/run.sh [TIER...]        tiers: lint unit property simulation interop lab; none named = all that exist
#
# Environment:
#   CEILO_GOSSIP_VENV    use the tools of this virtual environment and install nothing
#   HYPOTHESIS_PROFILE   "ci" (default: few examples, the same each time) or "explore"
#   PYTEST_ADDOPTS       pytest's own, e.g. "-k fence -x"
#
# Exit: 0 all passed, 1 something failed, 2 the request makes no sense or the tools cannot be had.
# A tool that is missing and a test that skips itself are failures: green means that everything was looked at.
set -euo pipefail

readonly TIERS=(lint unit property simulation interop lab)
# Bounds in seconds for a whole tier, several times what they take on two cores; a hang ends here and not in CI's limit.
declare -rA TIER_LIMIT=(
    [lint]=600 [unit]=1200 [property]=900 [simulation]=1200 [interop]=2400 [lab]=1500
)
readonly LAB_TEST_LIMIT=900  # One lab test may bring the whole cloud up.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

die() {
    printf 'tests/run.sh: %s\n' "$*" >&2
    exit 2
}

has_tests() {
    [ "$1" = lint ] || compgen -G "tests/$1/test_*.py" >/dev/null || compgen -G "tests/$1/*/test_*.py" >/dev/null
}

wanted=()
absent=()
if [ $# -eq 0 ]; then
    for tier in "${TIERS[@]}"; do
        if has_tests "$tier"; then wanted+=("$tier"); else absent+=("$tier"); fi
    done
else
    for tier in "$@"; do
        [[ " ${TIERS[*]} " == *" $tier "* ]] || die "there is no tier '$tier'; tiers are: ${TIERS[*]}"
        has_tests "$tier" || die "tier '$tier' has no tests yet, so there is nothing that could pass"
        wanted+=("$tier")
    done
fi

# Everything that a tool leaves behind goes here, or to the user's cache: the clone stays as clean as it was.
scratch=$(mktemp -d "${TMPDIR:-/tmp}/ceilo-gossip-tests.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
cache=${XDG_CACHE_HOME:-${HOME:-$scratch}/.cache}/ceilo-gossip
export PYTHONDONTWRITEBYTECODE=1 HYPOTHESIS_STORAGE_DIRECTORY="$scratch/hypothesis"

venv=${CEILO_GOSSIP_VENV:-}
if [ -z "$venv" ]; then
    part=venv
    # Only these need programs that are no Python: real agents, servers, a whole cloud.
    [[ " ${wanted[*]} " == *" lab "* || " ${wanted[*]} " == *" interop "* ]] && part=all
    [ -x devstack/minicloud/install.sh ] || die "devstack/minicloud/install.sh is missing or has no run bit"
    echo "== installing what is missing ($part)"
    devstack/minicloud/install.sh "$part" </dev/null >"$scratch/venv" || die "what the tests need is not installed"
    venv=$(tail -n 1 "$scratch/venv")
else
    export MINICLOUD_VENV=$venv  # The cloud of the lab tier runs from the same one.
fi
[ -x "$venv/bin/python" ] || die "there is no virtual environment at '$venv'"
# The clone goes first, so that what is tested is this tree and not an installed copy.
export PATH="$venv/bin:$PATH" PYTHONPATH="$root:$root/devstack"

passed=0
failed=0
rows=()

# step NAME COMMAND...: one lint step; its output is shown when it fails.
step() {
    local name=$1 began=$EPOCHREALTIME
    shift
    if "$@" >"$scratch/step.log" 2>&1 </dev/null; then
        printf '  %-34s ok      %5.1f s\n' "$name" "$(seconds_since "$began")"
        tier_passed=$((tier_passed + 1))
    else
        printf '  %-34s FAILED  %5.1f s\n' "$name" "$(seconds_since "$began")"
        sed 's/^/    /' "$scratch/step.log"
        tier_failed=$((tier_failed + 1))
    fi
}

# Seconds since $1, a value of EPOCHREALTIME.
seconds_since() {
    awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'
}

bound() {
    timeout --kill-after=10 "${TIER_LIMIT[lint]}" "$@"
}

run_lint() {
    local scripts
    # Exactly the tracked files that start as a shell script does, or are named as one.
    mapfile -t scripts < <(
        {
            git ls-files '*.sh'
            git grep -nI -E '^#! ?/.*[/ ](ba)?sh$' -- . | sed -n 's/^\(.*\):1:.*/\1/p'
        } | sort -u
    )
    step 'ruff check' bound ruff check --no-cache .
    step 'ruff format' bound ruff format --no-cache --check .
    step 'mypy --strict, the packages' bound mypy --cache-dir "$cache/mypy" --strict -p ceilo_gossip -p remediation
    MYPYPATH=devstack step 'mypy --strict, the minicloud' bound mypy --cache-dir "$cache/mypy" --strict -p minicloud
    step 'import layers' bound lint-imports --no-cache
    step "bashate, ${#scripts[@]} scripts" bound bashate --max-line-length 120 "${scripts[@]}"
    step 'documentation without warnings' \
        bound sphinx-build -q -W --keep-going -d "$scratch/doctrees" -b html doc/source "$scratch/html"
    step 'release notes' bound reno -q lint
    step 'the tree itself' bound python -m pytest -q -p no:cacheprovider tests/lint
}

# Reads pytest's closing line from $1 into tier_passed and tier_failed; what skipped itself counts as failed.
count_pytest() {
    local summary number word
    summary=$(sed 's/\x1b\[[0-9;]*m//g' "$1" | grep -E '[0-9]+ [a-z]+.* in [0-9.]+s' | tail -n 1 || true)
    while read -r number word; do
        case $word in
            passed) tier_passed=$number ;;
            failed | error | errors | skipped | xpassed) tier_failed=$((tier_failed + number)) ;;
        esac
    done < <(grep -oE '[0-9]+ [a-z]+' <<<"$summary")
}

run_pytest() {
    local tier=$1 rc=0 options=(-p no:cacheprovider --durations=5 --durations-min=1)
    [ "$tier" = lab ] && options+=(--timeout="$LAB_TEST_LIMIT" -v)
    timeout --kill-after=30 "${TIER_LIMIT[$tier]}" \
        python -m pytest "${options[@]}" "tests/$tier" </dev/null 2>&1 | tee "$scratch/$tier.log" || rc=$?
    count_pytest "$scratch/$tier.log"
    if [ "$rc" -ne 0 ] && [ "$tier_failed" -eq 0 ]; then
        # It ended before its summary: out of time, killed, or nothing collected.
        echo "tests/run.sh: tier $tier ended with exit status $rc and without a result" >&2
        tier_failed=1
    fi
}

for tier in "${wanted[@]}"; do
    echo "== $tier"
    tier_passed=0
    tier_failed=0
    began=$EPOCHREALTIME
    case $tier in
        lint) run_lint ;;
        *) run_pytest "$tier" ;;
    esac
    verdict=passed
    [ "$tier_failed" -eq 0 ] || verdict=FAILED
    rows+=("$(printf '%-12s %8s s  %6d passed  %4d failed  %s' \
        "$tier" "$(seconds_since "$began")" "$tier_passed" "$tier_failed" "$verdict")")
    passed=$((passed + tier_passed))
    failed=$((failed + tier_failed))
done

echo "== tiers"
printf '%s\n' "${rows[@]}"
for tier in "${absent[@]}"; do
    printf '%-12s has no tests yet\n' "$tier"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
