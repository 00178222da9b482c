// Kernel interface without a library of its own: what Glibc's module does not show, by topic.
#pragma once
#include "files.h"
#include "mounts.h"
#include "processes.h"
#include "trees.h"
