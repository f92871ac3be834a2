/*
 * decide_view - users and keys of every kind that the rules tell apart.
 *
 * The tables in decide_view.c say who may send as whom, and which keys there
 * are; the view's epoch is 7.
 */
#ifndef TESTS_SUPPORT_DECIDE_VIEW_H
#define TESTS_SUPPORT_DECIDE_VIEW_H

#include "proxy/users/view.h"

/* NULL: no memory. The caller frees it with view_free(). */
struct view *decide_view_new(void);

#endif
