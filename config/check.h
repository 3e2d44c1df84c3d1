/* config/check.h - what the settings must have of each other */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include "config/node.h"

/* Settings that are right one by one but do not go together. `root` gives the lines. */
void check_settings(const struct settings *s, const struct node *root, struct settings_faults *faults);

/* Rules among each other and in themselves; fills in where each stands and its until_ms. */
void check_rules(struct settings *s, const struct node *root, struct settings_faults *faults);

#endif
