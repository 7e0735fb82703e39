#!/bin/sh
# Joins the objects of libcugad.a into one in which only the public names are left, each of them hidden: they serve the
# program or plugin that links the library and are not exported from it, as they would replace another copy's.
#   join_objects.sh OBJECT LIST_OF_OBJECTS LD OBJCOPY NM AS
set -eu
object=$1 list=$2 ld=$3 objcopy=$4 nm=$5 as=$6
"$ld" -r --force-group-allocation -o "$object.all" "@$list"
# Tables of inline functions, such as the standard library's, are "unique" names, which without their groups collide with
# the program's own. objcopy makes none of them local, but weak ones it does.
"$nm" -g --defined-only "$object.all" | sed -n 's/.* u \([^ ]*\)$/\1/p' >"$object.unique"
"$objcopy" --weaken-symbols="$object.unique" "$object.all"
"$objcopy" --localize-hidden --localize-symbols="$object.unique" --remove-section='.gnu.lto_*' \
  --remove-section='.gnu.debuglto_*' "$object.all"
# A name's visibility is the narrowest that any object gives it.
{
  "$nm" -g --defined-only "$object.all" | sed -n 's/.* \([^ ]*cugad[^ ]*\)$/.hidden \1/p'
  echo '.section .note.GNU-stack, ""'
} | "$as" -o "$object.hidden"
"$ld" -r -o "$object" "$object.all" "$object.hidden"
rm "$object.all" "$object.hidden" "$object.unique"
