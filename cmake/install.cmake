# What `make install` puts where. Settings live in /etc/smtpguard whatever the prefix, and are never overwritten;
# systemd, sysusers and tmpfiles read their folders below /usr/local/lib and /usr/lib alike.
include(GNUInstallDirs)
set(SG_CONFIG_DIR /etc/smtpguard)

install(TARGETS smtpguardd RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
install(TARGETS smtpguardctl RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/man/*.[1-8])
foreach(page ${pages})
  string(REGEX MATCH "[1-8]$" section ${page})
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
file(GLOB documents CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/*.md)
install(FILES README.md SECURITY.md CHANGES.md LICENSE ${documents} DESTINATION ${CMAKE_INSTALL_DOCDIR})

# the unit names its program, and the prefix is known only now
install(CODE "
  set(SG_CONFIG_DIR ${SG_CONFIG_DIR})
  set(SG_SBIN_DIR \${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_SBINDIR})
  set(SG_BIN_DIR \${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR})
  configure_file(${PROJECT_SOURCE_DIR}/packaging/systemd/smtpguardd.service.in
    ${PROJECT_BINARY_DIR}/smtpguardd.service @ONLY)
  file(INSTALL ${PROJECT_BINARY_DIR}/smtpguardd.service DESTINATION \${CMAKE_INSTALL_PREFIX}/lib/systemd/system)")
install(FILES packaging/systemd/sysusers.conf DESTINATION lib/sysusers.d RENAME smtpguard.conf)
install(FILES packaging/systemd/tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME smtpguard.conf)

# The sample settings, with all that they include.
file(GLOB settings CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
  ${PROJECT_SOURCE_DIR}/smtpguardd.cfg ${PROJECT_SOURCE_DIR}/trusted.list ${PROJECT_SOURCE_DIR}/rules.d/*.cfg
  ${PROJECT_SOURCE_DIR}/lists.d/*.list)
foreach(name ${settings})
  get_filename_component(folder ${SG_CONFIG_DIR}/${name} DIRECTORY)
  install(CODE "
    if(NOT EXISTS \"\$ENV{DESTDIR}${SG_CONFIG_DIR}/${name}\")
      file(INSTALL \"${PROJECT_SOURCE_DIR}/${name}\" DESTINATION \"${folder}\")
    else()
      message(STATUS \"Kept: \$ENV{DESTDIR}${SG_CONFIG_DIR}/${name}\")
    endif()")
endforeach()
