# shellcheck shell=bash disable=SC2034
# Sourced by the scripts of tools/: where the repository is, and how they speak. Progress goes to
# stderr so that stdout stays what the programs print.

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
script=$(basename "$0")

say() { printf '%s: %s\n' "$script" "$*" >&2; }

# fail WHAT-WENT-WRONG WHAT-TO-DO
fail() {
  say "$1"
  say "$2"
  exit 1
}

# timed NAME COMMAND...: runs the command and says how long it took; its failure is the caller's.
timed() {
  local name=$1 started=$SECONDS status=0
  shift
  say "$name ..."
  "$@" || status=$?
  if ((status == 0)); then
    say "$name: done in $((SECONDS - started)) s"
  else
    say "$name: FAILED after $((SECONDS - started)) s"
  fi
  return "$status"
}
