#!/bin/sh
# Deletes the deployments that have no traffic, but for the one before, which stays to go back to.
. "$(dirname "$0")/settings.sh"

before=$(cat "$STATE/traffic-before")
apus endpoint show -n "$endpoint" --query "traffic" -o json >"$STATE/traffic-now"
for name in $(apus deployment list -e "$endpoint" --query '[].name' -o tsv); do
  case " $before" in *" $name="*) continue ;; esac
  grep -q "\"$name\": *[1-9]" "$STATE/traffic-now" && continue
  echo "deleting $name"
  apus deployment delete -n "$name" -e "$endpoint" -y
done
