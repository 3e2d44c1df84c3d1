/* base/result.h - must-use results and the one sanctioned early return */
#ifndef BASE_RESULT_H
#define BASE_RESULT_H

#define MUST_USE __attribute__((warn_unused_result))

/* Leaves a function that returns bool when a step of it failed. */
#define TRY(step)                                                                                                      \
	do {                                                                                                           \
		if (!(step))                                                                                           \
			return false;                                                                                  \
	} while (0)

#endif
