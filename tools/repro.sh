#!/bin/sh
# The pipeline, for `make repro`, with synthetic images as a fallback when there is no CIFAR-10.
# `klayer download` then exits with status 3, which dvc hides: so the command runs here first.
# Any other failure ends the script with its message.
NO_COPY=3
images=data/cifar-10-batches-py

export SHELL=/bin/sh  # DVC runs stages in the user's shell, which may not exist or not be POSIX
if ! git rev-parse --git-dir >/dev/null && ! dvc config core.no_scm 2>/dev/null | grep -qi true; then
  [ -e .git ] || echo "DVC needs a Git repository, and this folder is none (a ZIP has no .git): clone" \
    "the project, run \`git init && git add . && git commit -m start\` here, or tell DVC that there is" \
    "no Git, \`dvc config --local core.no_scm true\`" >&2
  exit 1
fi

locks=.dvc/tmp/rwlock
cut_short() { [ -f "$locks" ] && ! python -m json.tool "$locks" >/dev/null 2>&1; }
if cut_short && sleep 1 && cut_short; then  # a running dvc completes the file at once
  echo "a dvc that was stopped left $locks cut short, which dvc cannot read: it is removed"
  rm -f "$locks"
fi

if grep -q '^  source: synthetic' params.yaml; then
  echo "params.yaml chooses synthetic images; for the real ones: git checkout params.yaml && make repro"
elif [ ! -d "$images" ] && ! dvc checkout --quiet "$images" 2>/dev/null; then
  klayer settings || exit
  klayer download
  status=$?
  if [ "$status" = "$NO_COPY" ]; then
    sed 's/^  source: cifar10/  source: synthetic/' params.yaml >params.yaml.partial || exit
    mv params.yaml.partial params.yaml || exit
    echo
    echo "No copy of CIFAR-10 was found, for the reasons above. The same pipeline now runs on images that"
    echo "the project makes itself: params.yaml has data.source: synthetic. Its results say so. Later:"
    echo "  git checkout params.yaml && CIFAR10_ARCHIVE=/path/to/cifar-10-python.tar.gz make repro"
    echo
  elif [ "$status" != 0 ]; then
    exit "$status"
  fi  # otherwise the stage of the pipeline finds the files
fi
exec dvc repro
