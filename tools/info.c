// SPDX-License-Identifier: MIT
#include "tool.h"
int iof_cmd_info(int argc, char **argv) { (void)argc; (void)argv; return 0; }
