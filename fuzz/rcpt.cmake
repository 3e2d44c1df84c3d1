sg_fuzz_target(rcpt_reply SOURCES ${CMAKE_CURRENT_LIST_DIR}/rcpt_reply.c ROOMS rcpt net base)
