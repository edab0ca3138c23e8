# SPDX-License-Identifier: MIT
# fish completion for iofault(1)

function __iofault_is
    set -l words (commandline -opc)
    test (count $words) -ge 2; and test $words[2] = $argv[1]
end

# The words after `iofault run` and its options are a command line of their own.
function __iofault_run_rest
    set -l words (commandline -opc)[3..-1]
    set -l rest
    while set -q words[1]
        switch $words[1]
            case --device --trace --trace-format --memlock
                set -e words[1]
            case --
                set rest $words[2..-1]
                break
            case '-*'
            case '*'
                set rest $words
                break
        end
        set -q words[1]; and set -e words[1]
    end
    complete -C (string join ' ' -- $rest (commandline -ct))
end

complete -c iofault -f
complete -c iofault -n __fish_use_subcommand -a page -d 'let a DMA engine work through files that are not in memory'
complete -c iofault -n __fish_use_subcommand -a run -d 'run a program, unchanged, on a machine with /dev/iommu'
complete -c iofault -n __fish_use_subcommand -a doctor -d 'try what this machine can do, and name the next step'
complete -c iofault -n __fish_use_subcommand -a info -d 'print what this machine and this build offer'
complete -c iofault -n __fish_use_subcommand -a bind -d 'give PCI functions to the driver iofault-pci'
complete -c iofault -n __fish_use_subcommand -a unbind -d 'give PCI functions back to the drivers that they had'
complete -c iofault -n __fish_use_subcommand -a help -d 'print the commands, or the options of one'
complete -c iofault -n __fish_use_subcommand -s h -l help -d 'print the commands'
complete -c iofault -n __fish_use_subcommand -s V -l version -d 'print the version'
complete -c iofault -n '__iofault_is help' -a 'page run doctor info bind unbind'

complete -c iofault -n '__iofault_is page' -F
complete -c iofault -n '__iofault_is page' -x -l op -a 'crc32c copy compare fill' -d 'operation'
complete -c iofault -n '__iofault_is page' -r -F -l out -d 'write the output of copy or fill to a file'
complete -c iofault -n '__iofault_is page' -x -l size -d 'bytes that fill writes'
complete -c iofault -n '__iofault_is page' -x -l pattern -d '64-bit pattern that fill repeats'
complete -c iofault -n '__iofault_is page' -x -l resident -a '1M 4M 16M 64M 256M 1G' -d 'limit of the memory for pages of files'
complete -c iofault -n '__iofault_is page' -x -l prefetch -d 'pages loaded ahead of sequential faults'
complete -c iofault -n '__iofault_is page' -x -l engines -d 'engines of the device'
complete -c iofault -n '__iofault_is page' -x -l pasids -d 'address spaces that share the work'
complete -c iofault -n '__iofault_is page' -x -l handlers -d 'threads that handle faults'
complete -c iofault -n '__iofault_is page' -x -l group -d 'most pages in one page-request group'
complete -c iofault -n '__iofault_is page' -x -l credits -d 'page requests that the device may have open'
complete -c iofault -n '__iofault_is page' -x -l chunk -d 'bytes of one descriptor'
complete -c iofault -n '__iofault_is page' -x -l depth -d 'descriptors in the queue of the device'
complete -c iofault -n '__iofault_is page' -x -l spin -d 'time that a handler polls before it sleeps'
complete -c iofault -n '__iofault_is page' -l populate -d 'load as many pages as fit before the device starts'
complete -c iofault -n '__iofault_is page' -l direct -d 'read and write files without the page cache'
complete -c iofault -n '__iofault_is page' -x -l passes -d 'do the work several times'
complete -c iofault -n '__iofault_is page' -l sva -d 'share the page tables of the process with the device'
complete -c iofault -n '__iofault_is page' -x -l world -a 'embedded kernel any' -d 'where the device is'
complete -c iofault -n '__iofault_is page' -r -F -l device -d 'node of the device'
complete -c iofault -n '__iofault_is page' -r -F -l json -d 'write the summary as JSON'
complete -c iofault -n '__iofault_is page' -s q -l quiet -d 'print no progress bar and no table'
complete -c iofault -n '__iofault_is page' -s h -l help -d 'print the options'

complete -c iofault -n '__iofault_is run' -a '(__iofault_run_rest)'
complete -c iofault -n '__iofault_is run' -x -l device -a 'dsa ats-test' -d 'add a device'
complete -c iofault -n '__iofault_is run' -l no-device -d 'provide /dev/iommu without any device'
complete -c iofault -n '__iofault_is run' -l no-device-stat -d 'do not trap stat(2)'
complete -c iofault -n '__iofault_is run' -l mock -d 'enable the test commands of /dev/iommu'
complete -c iofault -n '__iofault_is run' -x -l memlock -a none -d 'limit the memory that is mapped for devices'
complete -c iofault -n '__iofault_is run' -r -F -l trace -d 'write a line for each call'
complete -c iofault -n '__iofault_is run' -x -l trace-format -a 'text json' -d 'write lines of the trace as'
complete -c iofault -n '__iofault_is run' -l stats -d 'count the calls and the work of each device'
complete -c iofault -n '__iofault_is run' -l check -d 'try the setup without a program'
complete -c iofault -n '__iofault_is run' -s h -l help -d 'print the options'

complete -c iofault -n '__iofault_is info' -x -l run -a '(__fish_complete_pids)' -d 'print the figures of a run'
complete -c iofault -n '__iofault_is info' -r -F -l json -d 'write the same as JSON'
complete -c iofault -n '__iofault_is info' -s h -l help -d 'print the options'

complete -c iofault -n '__iofault_is doctor' -a 'embedded run kernel devices'
complete -c iofault -n '__iofault_is doctor' -s h -l help -d 'print the ways and options'

complete -c iofault -n '__iofault_is bind' -a '(command ls /sys/bus/pci/devices 2>/dev/null)'
complete -c iofault -n '__iofault_is bind' -l force -d 'also if a network interface is up'
complete -c iofault -n '__iofault_is bind' -s h -l help -d 'print the options'

complete -c iofault -n '__iofault_is unbind' -a '(command ls /sys/bus/pci/devices 2>/dev/null)'
complete -c iofault -n '__iofault_is unbind' -s h -l help -d 'print the options'
