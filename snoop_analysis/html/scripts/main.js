// SPDX-License-Identifier: Apache-2.0

async function main() {
  tips();
  if (document.getElementById("file-data")) {
    const data = await unpacked("file-data");
    const table = fileTable(data);
    directoryMap(data, (directory) => table.show(directory));
  }
  document.documentElement.dataset.ready = "";
}

main().catch((error) => {
  const words = `This browser cannot show the files: ${error.message}`;
  document.getElementById("file-count").textContent = words;
});
