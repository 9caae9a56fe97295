#include "CLifelineLinux.h"
