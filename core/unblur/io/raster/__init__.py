"""Pictures: PNG and JPEG, also written; WebP, AVIF, JPEG 2000 and XL, GIF, BMP and Netpbm."""
