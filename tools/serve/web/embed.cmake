# Writes OUTPUT, a source file with the constants of page_files.h:
#   cmake -D FOLDER=tools/serve/web -D OUTPUT=page_files.cpp -P embed.cmake
set(source "#include \"tools/serve/web/page_files.h\"\n\nnamespace bitnetc::serve {\n")
foreach(entry kIndexHtml=index.html kPageCss=page.css kPageJs=page.js kIconSvg=icon.svg)
  string(REGEX MATCH "^(.*)=(.*)$" entry ${entry})
  set(name ${CMAKE_MATCH_1})
  file(READ ${FOLDER}/${CMAKE_MATCH_2} text)
  if(text MATCHES "[)]bytes\"")
    message(FATAL_ERROR "${CMAKE_MATCH_2}: holds what ends a literal: )bytes\"")
  endif()
  string(APPEND source "\nconst std::string_view ${name} = R\"bytes(${text})bytes\";\n")
endforeach()
string(APPEND source "\n}  // namespace bitnetc::serve\n")
file(WRITE ${OUTPUT} "${source}")
