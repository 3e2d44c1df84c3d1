/* Sample documents, run from the project's folder. */
#ifndef TESTS_TOOLS_SAMPLE_H
#define TESTS_TOOLS_SAMPLE_H

#include "ctl/json.h"

/* tests/tools/samples/NAME, appended. False: cannot be read. */
bool sample_read(const char *name, struct buf *out);
/* samples/NAME.json as a document. */
bool sample_doc(const char *name, struct ctl_json_doc *doc_r);

#endif
