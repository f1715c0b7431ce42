"""Makes `import torch` fail in this process, as where PyTorch is not installed.

To be imported before gan_jax: tensorboardX imports PyTorch wherever it is installed,
180 MiB and some tenths of a second that are not gan_jax's.
"""

import sys

sys.modules["torch"] = None
