"""Building blocks that more than one method uses: symbol mapping and Swin transformer stages."""
