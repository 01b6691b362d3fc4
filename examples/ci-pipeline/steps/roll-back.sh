#!/bin/sh
# After a failed step: the traffic as it was before this run, and this run's deployment gone. May run after any step.
. "$(dirname "$0")/settings.sh"

[ -f "$STATE/traffic-before" ] || { echo "nothing was changed"; exit 0; }
before=$(cat "$STATE/traffic-before")
apus rollout abort -e "$endpoint" --only-show-errors 2>/dev/null || echo "no rollout to abort"
if [ -n "$before" ]; then
  apus endpoint update -n "$endpoint" --traffic "$before"
elif apus deployment show -n "$deployment" -e "$endpoint" 2>/dev/null; then
  apus endpoint update -n "$endpoint" --traffic "$deployment=0"
fi
if apus deployment show -n "$deployment" -e "$endpoint" 2>/dev/null; then
  apus deployment delete -n "$deployment" -e "$endpoint" -y
fi
apus endpoint show -n "$endpoint" --query traffic -o yaml
