#!/usr/bin/env bash
# DVC 3.67.1: `dvc metrics diff` prints numbers to five decimals, not five digits: a small metric that
# has doubled is shown as 0.0, 0.0 and a change of 0.0.
#
# `dvc params diff` prints the same numbers of the same kind of file in full. `dvc metrics diff
# --precision 12` or `--json` shows the change.
#
# One would guess five significant digits (as %g or NumPy's printing have), or that a row listed as
# changed shows a change, for such values are common: a tolerance, a small learning rate, a loss.
#
# Output seen:
#   Path          Metric    HEAD    workspace    Change
#   metrics.json  loss      0.0     0.0          0.0
#   Path         Param    HEAD    workspace
#   params.json  loss     1e-09   2e-09
#   metrics.json  loss      1e-09   2e-09        1e-09
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q dvc==3.67.1 2>pip.log || { cat pip.log; exit 1; }
export PATH="$folder/env/bin:$PATH" DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR="$folder/site"
export DVC_GLOBAL_CONFIG_DIR="$folder/global" DVC_SYSTEM_CONFIG_DIR="$folder/system"
mkdir project
cd project
git init -q
dvc init -q

commit() { git add -A && git -c user.name=n -c user.email=n@example.org commit -qm "$1"; }
echo '{"loss": 1e-9}' | tee metrics.json >params.json
printf 'metrics: [metrics.json]\nparams: [params.json]\n' >dvc.yaml
commit first
echo '{"loss": 2e-9}' | tee metrics.json >params.json

metrics=$(dvc metrics diff)
params=$(dvc params diff)
echo "$metrics"
echo "$params"
dvc metrics diff --precision 12 | tail -n 1
echo "$metrics" | grep -qE 'loss +0\.0 +0\.0 +0\.0'
echo "$params" | grep -qE 'loss +1e-09 +2e-09'
