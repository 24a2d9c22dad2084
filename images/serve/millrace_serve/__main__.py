"""The entry point of the serve image."""

import sys

from millrace_serve.service import main

sys.exit(main())
