# From `readelf --debug-dump=info` of an object that includes the public headers: one line for every type of the
# interface, its size, its fields (place and type), base classes, virtual functions and enumerators, and the type of every
# function whose address the object keeps as use_NAME. The object comes from g++ or gcc with
# -g -fno-eliminate-unused-debug-types -femit-class-debug-always.

# " <2><54795>: Abbrev Number: 155 (DW_TAG_structure_type)": an entry, its depth and its number.
/^ *<[0-9a-f]+><[0-9a-f]+>: Abbrev Number: [0-9]+ \(DW_TAG_/ {
  split($1, part, /[<>]+/)
  depth = part[2] + 0
  entry = part[3]
  tag[entry] = substr($NF, 9, length($NF) - 9)
  above[depth] = entry
  parent[entry] = depth > 0 ? above[depth - 1] : ""
  if (depth > 0) children[parent[entry]] = children[parent[entry]] " " entry
  order[++entries] = entry
  next
}
/^ *<[0-9a-f]+> +DW_AT_/ {
  attribute = $2
  value = $0
  sub(/^ *<[0-9a-f]+> +DW_AT_[a-z0-9_]+ *: */, "", value)
  sub(/^\(indirect (line )?string, offset: 0x[0-9a-f]+\): /, "", value)
  sub(/[ \t]+$/, "", value)
  if (attribute ~ /^DW_AT_name/) name[entry] = value
  else if (attribute ~ /^DW_AT_byte_size/) size[entry] = value
  else if (attribute ~ /^DW_AT_data_member_location/) place[entry] = value
  else if (attribute ~ /^DW_AT_const_value/) constant[entry] = value
  else if (attribute ~ /^DW_AT_upper_bound/) bound[entry] = value
  else if (attribute ~ /^DW_AT_declaration/) declared[entry] = 1
  else if (attribute ~ /^DW_AT_vtable_elem_location/) { sub(/.*DW_OP_constu: /, "", value); sub(/\)/, "", value); slot[entry] = value }
  else if (attribute ~ /^DW_AT_type/) { gsub(/[<>]|0x/, "", value); type[entry] = value }
}

# "cugad::Table", for any entry.
function full(e,  up) {
  up = parent[e]
  if (up == "" || tag[up] == "compile_unit" || tag[up] == "") return name[e]
  return full(up) (name[up] == "" ? "" : "::") name[e]
}

function is_ours(e,  text) {
  text = full(e)
  return text ~ /^(cugad::|cugad_|CUGAD_)/
}

function list(e, wanted,  text, many, i, member) {
  many = split(children[e], member, " ")
  for (i = 1; i <= many; ++i) {
    if (tag[member[i]] != wanted) continue
    if (wanted == "subrange_type") text = text "[" (bound[member[i]] == "" ? "" : bound[member[i]] + 1) "]"
    else text = text (text == "" ? "" : ", ") written(type[member[i]])
  }
  return text
}

# A type as C++ writes it, or nearly.
function written(e) {
  if (e == "") return "void"
  if (tag[e] == "pointer_type") return written(type[e]) "*"
  if (tag[e] == "reference_type") return written(type[e]) "&"
  if (tag[e] == "rvalue_reference_type") return written(type[e]) "&&"
  if (tag[e] == "const_type") return written(type[e]) " const"
  if (tag[e] == "array_type") return written(type[e]) list(e, "subrange_type")
  if (tag[e] == "subroutine_type") return written(type[e]) "(" list(e, "formal_parameter") ")"
  return full(e)
}

# A struct that begins with its size may get further fields.
function may_grow(e,  member) {
  split(children[e], member, " ")
  return name[member[1]] == "struct_size"
}

END {
  for (i = 1; i <= entries; ++i) {
    e = order[i]
    up = parent[e]
    if (tag[e] == "variable" && name[e] ~ /^use_cugad_/) {
      text = written(type[e])
      sub(/ const$/, "", text)
      print "function " substr(name[e], 5) ": " text
    }
    if (!is_ours(e)) continue
    if (tag[e] ~ /^(structure|class|union|enumeration)_type$/) {
      if (!declared[e] && size[e] != "" && !may_grow(e)) print "type " full(e) ": " size[e] " bytes"
    } else if (tag[e] == "typedef") {
      print "name " full(e) ": " written(type[e])
    } else if (tag[e] == "member" && place[e] != "") {
      print "field " full(e) ": at " place[e] ", " written(type[e])
    } else if (tag[e] == "enumerator") {
      print "value " full(e) " = " constant[e]
    } else if (tag[e] == "subprogram" && slot[e] != "") {
      print "virtual " full(e) ": " slot[e]
    }
  }
  for (i = 1; i <= entries; ++i) {
    e = order[i]
    if (tag[e] == "inheritance" && is_ours(parent[e])) print "base of " full(parent[e]) ": " written(type[e])
  }
}
