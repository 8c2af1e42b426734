# SPDX-License-Identifier: Apache-2.0
"""The report as one HTML file, which needs no network: templates, styles and scripts are here."""
