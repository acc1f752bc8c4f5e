# Writes OUTPUT, a source file that holds files as text. What it defines is declared in HEADER, in
# NAMESPACE. ENTRIES is a list of NAME=PATH, paths from ROOT. Without TABLE each NAME is a constant,
#   const std::string_view NAME
# with TABLE they are the first members of the rows, of type ROW, that a function returns:
#   std::span<const ROW> TABLE()
# Run as: cmake -D HEADER=... -D NAMESPACE=... -D ROOT=... -D "ENTRIES=..." -D OUTPUT=...
#               [-D TABLE=... -D ROW=...] -P embed_files.cmake
set(source "#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\n")
if(TABLE)
  string(APPEND source "\nstd::span<const ${ROW}> ${TABLE}() {\n  static constexpr ${ROW} rows[] = {\n")
endif()
foreach(entry ${ENTRIES})
  string(REGEX MATCH "^(.*)=(.*)$" entry ${entry})
  set(name ${CMAKE_MATCH_1})
  set(path ${CMAKE_MATCH_2})
  file(READ ${ROOT}/${path} text)
  if(text MATCHES "[)]bytes\"")
    message(FATAL_ERROR "${path}: holds what ends a literal: )bytes\"")
  endif()
  if(TABLE)
    string(APPEND source "{\"${name}\", R\"bytes(${text})bytes\"},\n")
  else()
    string(APPEND source "\nconst std::string_view ${name} = R\"bytes(${text})bytes\";\n")
  endif()
endforeach()
if(TABLE)
  string(APPEND source "  };\n  return rows;\n}\n")
endif()
string(APPEND source "\n}  // namespace ${NAMESPACE}\n")
file(WRITE ${OUTPUT} "${source}")
