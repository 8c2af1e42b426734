# SPDX-License-Identifier: Apache-2.0
"""Pictures of a replay, a module each; ``Plots`` has them all."""
