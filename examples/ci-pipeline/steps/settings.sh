# What every step reads first. A pipeline sets the first two as secrets; no step logs in, and nothing is kept on the runner.
#
#   APUS_SERVER   the control plane, https://HOST:PORT
#   APUS_TOKEN    the secret of a principal that may deploy
#   RUN           the number of this run: the new deployment is called run-RUN
#   STATE         a folder that the steps of one run share
set -eu

: "${APUS_SERVER:?set it to the address of the control plane}"
: "${APUS_TOKEN:?set it to the secret of a principal}"
: "${RUN:?set it to the number of this run}"
: "${STATE:?set it to a folder that the steps share}"
export APUS_SERVER APUS_TOKEN APUS_OUTPUT=none

pipeline=$(cd "$(dirname "$0")/.." && pwd)
endpoint=filetype-ci
deployment=run-$RUN
mkdir -p "$STATE"

apus() { command "${APUS:-apus}" "$@"; }
fail() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }
