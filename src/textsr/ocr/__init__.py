"""The OCR engines that judge, and how what they read is scored."""
