#!/bin/sh
# First in the engine's PATH: the real sbatch, with a line for each submission that SLURM accepted, and a trap at the Nth call of an engine.
# OSA_DRILL_TRAP is "<what>:<N>:<seconds>"; what: after, before, never (when the engine is killed), or gate.
name=; array=
for word in "$@"; do
    case $word in --job-name=*) name=${word#*=} ;; --array=*) array=${word#*=} ;; esac
done
submit() {
    said=$("$OSA_DRILL_SBATCH" "$@"); code=$?
    [ $code = 0 ] && echo "$(date +%s.%N) $PPID $said $name $array" >> "$OSA_DRILL_FOLDER/submitted"
    return $code
}
echo "$PPID" >> "$OSA_DRILL_FOLDER/calls"
what=${OSA_DRILL_TRAP%%:*}; rest=${OSA_DRILL_TRAP#*:}; nth=${rest%%:*}; seconds=${rest#*:}
if [ -n "$what" ] && [ "$(grep -cx "$PPID" "$OSA_DRILL_FOLDER/calls")" = "$nth" ]; then
    echo "$what $name" >> "$OSA_DRILL_FOLDER/trapped"
    case $what in
        after) submit "$@"; kill -9 $PPID; exit 0 ;;
        before) kill -9 $PPID; sleep "$seconds"; submit "$@"; exit 0 ;;
        never) kill -9 $PPID; exit 0 ;;
        gate) while [ ! -e "$OSA_DRILL_FOLDER/go" ]; do sleep 0.05; done ;;
    esac
fi
submit "$@"; code=$?
printf '%s\n' "$said"
exit $code
