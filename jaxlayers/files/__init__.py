"""Files that can be trusted: written whole or not at all, and found out when damaged. No part of the kernel."""
