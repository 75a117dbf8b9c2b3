#!/usr/bin/env bash
# DVC 3.67.1: a stage with a parameter of .nan (YAML's "not a number") counts as changed for ever.
#
# Right after `dvc repro` has written `a: .nan` to dvc.lock, `dvc status` says that the parameter is
# modified, and every `dvc repro` runs the stage again. Values are compared with ==, and NaN is not
# equal to itself.
#
# One would guess that a file nobody touched is unchanged, as it is for a dependency, whose bytes are
# compared; .nan is a usual way to say "no limit" or "not set" in a file of numbers.
#
# Output seen:
#   three times dvc repro without an edit: the command ran 3 times
#           a: .nan
#   s:
#     changed deps:
#       params.yaml:
#         modified:           a
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q dvc==3.67.1 ruamel.yaml==0.19.1 2>pip.log || { cat pip.log; exit 1; }
export PATH="$folder/env/bin:$PATH" DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR="$folder/site"
export DVC_GLOBAL_CONFIG_DIR="$folder/global" DVC_SYSTEM_CONFIG_DIR="$folder/system"
mkdir project
cd project
dvc init -q --no-scm

echo 'a: .nan' >params.yaml
cat >dvc.yaml <<'YAML'
stages:
  s:
    cmd: echo ran >> ../runs.txt
    params: [a]
YAML
for _ in 1 2 3; do dvc repro -q; done
runs=$(wc -l <../runs.txt)
echo "three times dvc repro without an edit: the command ran $runs times"
grep ' a: ' dvc.lock
status=$(dvc status)
echo "$status"
[ "$runs" -eq 3 ] && [[ $status == *modified* ]]
