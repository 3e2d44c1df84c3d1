# `make deb`: a Debian package of what `make install` installs, below /usr. The libraries that it needs are read off the
# programs; the user and the folders are made when it is installed.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME smtpguard)
set(CPACK_PACKAGE_CONTACT "SmtpGuard maintainers <postmaster@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "SMTP front-end that judges by behaviour")
set(CPACK_PACKAGE_DESCRIPTION
  "Stands on port 25 before Postfix or another mail server, judges clients, senders and\n\
recipients by what they do now and did before, slows, defers or refuses what floods, and\n\
hands accepted mail on over a few shared connections.")
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON) # the settings live in /etc, not below the prefix
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION mail)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "postfix, publicsuffix")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${PROJECT_BINARY_DIR}/conffiles ${PROJECT_SOURCE_DIR}/packaging/deb/postinst ${PROJECT_SOURCE_DIR}/packaging/deb/prerm
  ${PROJECT_SOURCE_DIR}/packaging/deb/postrm)
list(TRANSFORM settings PREPEND ${SG_CONFIG_DIR}/ OUTPUT_VARIABLE conffiles)
list(JOIN conffiles "\n" conffiles)
file(WRITE ${PROJECT_BINARY_DIR}/conffiles "${conffiles}\n")
include(CPack)
