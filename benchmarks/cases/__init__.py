"""Images and documents that upscalers stumble over, each with what should come out of it.

The inputs are known from public reports of bugs in upscalers and in programs around OCR. They are
drawn here; nothing is taken from anywhere.
"""
