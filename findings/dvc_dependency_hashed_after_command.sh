#!/usr/bin/env bash
# DVC 3.67.1: a stage's dependencies are hashed after its command has ended, not before it starts.
#
# The command reads in.txt, then goes on for some seconds; meanwhile in.txt is edited. dvc.lock
# records the edited in.txt as the dependency of the output made from the old one, and `dvc status`
# and `dvc repro` then find the stage up to date: the output is never made from the new input.
#
# One would guess that dvc.lock records what the command was given: DVC has to hash the dependencies
# before the run anyway, to decide whether the stage has changed.
#
# Output seen:
#   in.txt: new, out.txt: old
#   dvc.lock holds the md5 of the new in.txt
#   dvc status: Data and pipelines are up to date.
#   out.txt after a further dvc repro: old
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
dvc init -q --no-scm

cat >dvc.yaml <<'YAML'
stages:
  copy:
    cmd: cat in.txt > out.txt && sleep 8
    deps: [in.txt]
    outs: [out.txt]
YAML
echo old >in.txt
dvc repro -q &
until [ -s out.txt ] || ! kill -0 $!; do sleep 0.1; done
echo new >in.txt # while the command sleeps
wait $!

recorded=$(sed -n '/deps:/,/outs:/s/ *md5: \([0-9a-f]\{32\}\)/\1/p' dvc.lock)
new=$(md5sum <in.txt | cut -d' ' -f1)
echo "in.txt: $(cat in.txt), out.txt: $(cat out.txt)"
[ "$recorded" = "$new" ] && echo "dvc.lock holds the md5 of the new in.txt"
status=$(dvc status)
echo "dvc status: $status"
dvc repro -q
echo "out.txt after a further dvc repro: $(cat out.txt)"
[ "$recorded" = "$new" ] && [ "$(cat out.txt)" = old ] && [[ $status == *"up to date"* ]]
